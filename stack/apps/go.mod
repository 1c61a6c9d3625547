module lab/apps

go 1.24
