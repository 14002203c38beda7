"""Where blocks of evaluations run: processes of this machine, or a cluster's; the driver alone writes."""
