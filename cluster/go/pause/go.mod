module switchyard.local/cluster/pause

go 1.21
