"""Delivers alerts to receivers: their file, the bodies of messages, signatures, HTTP and SMTP."""
