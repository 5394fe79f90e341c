"""One file a panel: widgets and layout, no computation."""
