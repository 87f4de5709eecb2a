"""Known kinds of sources. A new kind needs a module, a line here, and its settings."""

from swit_provisioning.planning.references import DirectoryScope
from swit_provisioning.planning.snapshots import DirectoryFacts
from swit_provisioning.sources.ldap.dn import DnScope


def scope_of(facts: DirectoryFacts) -> DirectoryScope:
    """Scope of a directory that was read before."""
    return DnScope(facts.search_base)
