"""Updates of an appliance."""
