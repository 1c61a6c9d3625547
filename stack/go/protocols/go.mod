module lab/stack/protocols

go 1.24.0
