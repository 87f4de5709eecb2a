"""What can go wrong when a directory is read, named by what to do about it.

* DirectoryError                nothing was read that may be used
  - DirectoryConfigError        settings or file are wrong: mend them
    - DirectoryUntrustedError   the server couldn't prove who it is; nothing was sent to it
  - DirectoryIncompleteError    the answer was cut short: whoever runs the directory has to help
  - DirectoryUnavailableError   unreachable, busy, or lost on the way: a later attempt may work
"""


class DirectoryError(Exception):
    """The directory was not read; the message says where, what happened, and how to mend it."""


class DirectoryConfigError(DirectoryError):
    """A setting or the file is wrong; trying again changes nothing."""


class DirectoryUntrustedError(DirectoryConfigError):
    """The server's certificate doesn't prove that it is the one that was asked for."""


class DirectoryIncompleteError(DirectoryError):
    """Something was read, but not everything: none of it may be taken for the directory."""


class DirectoryUnavailableError(DirectoryError):
    """No server answered to the end; a later attempt may work."""
