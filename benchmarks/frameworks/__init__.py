"""The same job in other frameworks: scripts that run in environments of their own, never in ours."""
