"""The integration study: which clusters are biology, and which are batch."""
