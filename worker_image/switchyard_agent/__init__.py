"""The agent: takes one Assignment, runs its tests and reports. Standard library only."""

VERSION = "1"
