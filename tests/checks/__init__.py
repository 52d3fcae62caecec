"""The checks of docker, kind and Colima, with answers written down."""
