"""Which directory the settings name. No Dagster: commands that run no job need it, too."""

from swit_provisioning.directory.interface import Directory
from swit_provisioning.directory.json_file import JsonDirectory
from swit_provisioning.directory.ldap_server import LdapDirectory
from swit_provisioning.directory.ldif_file import LdifDirectory
from swit_provisioning.sandbox.sample import sample_directory_path
from swit_provisioning.settings import Settings


def open_directory(settings: Settings) -> Directory:
    """The directory that the settings name: a file, the bundled sample, or an LDAP server."""
    mapping = settings.attribute_mapping()
    path = settings.idp_file
    if path is None and settings.is_running_locally:
        # OUs and filters are those of another directory, which the settings describe.
        return JsonDirectory(sample_directory_path(), mapping)
    if path is None:
        return LdapDirectory(settings.ldap(), mapping)
    kind = LdifDirectory if path.suffix.lower() == ".ldif" else JsonDirectory
    return kind(path, mapping, scope=settings.file_scope())
