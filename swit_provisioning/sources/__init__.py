"""Reading the directory, a server (LDAP, Active Directory) or a file: completely, or not at all."""
