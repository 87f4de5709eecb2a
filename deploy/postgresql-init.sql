-- A database of its own for the state: it holds tokens, and is backed up by itself.
CREATE DATABASE swit_provisioning;
