"""Print the dependencies that setup.cfg declares, one a line: deptry reads no setup.cfg."""

import configparser
import sys
from pathlib import Path

declared = configparser.ConfigParser()
declared.read(Path(__file__).parent.parent / "setup.cfg", encoding="utf-8")
sys.stdout.write(declared["options"]["install_requires"].strip() + "\n")
