"""The machine that Bramble runs on: what it is, what memory and heat allow, what to do without when it is little."""
