"""`python -m swit_provisioning.cli`: the same as `swit-provisioning`."""

from swit_provisioning.cli.main import main

main()
