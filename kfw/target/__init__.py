"""A target and the objects of its namespace -> its endpoints, now and at each change. How to get there: kfw.methods."""
