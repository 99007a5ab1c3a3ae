"""`bramble doctor`: looks at everything that makes an appliance ail, and says what mends it. It changes nothing."""
