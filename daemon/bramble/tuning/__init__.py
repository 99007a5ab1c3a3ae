"""`bramble models tune`: makes the file of a model that is fastest on this machine within a stated loss."""
