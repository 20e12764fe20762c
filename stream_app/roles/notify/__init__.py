"""The role `notify`: keeps recent alerts and delivers them to receivers."""
