"""Reading LDAP servers."""
