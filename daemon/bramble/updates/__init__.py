"""New releases of an appliance: verified, installed beside the one that runs, taken back if they do not answer."""
