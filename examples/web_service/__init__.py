"""The framework-independent part of both backends: clips of many people, access rules and settings."""
