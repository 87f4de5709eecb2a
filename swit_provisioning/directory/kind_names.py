"""What the kinds of servers are called; what they are like stands in `kinds`."""

from typing import Literal

KindName = Literal["active_directory", "openldap", "389ds", "other"]
KindSetting = Literal["auto", "active_directory", "openldap", "389ds", "other"]
