"""The method kubefwd: one supervised kubefwd for all forwards of a profile, each with an address and names of its own."""
