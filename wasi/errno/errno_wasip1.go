package errno

// ofSystem is empty: the net package is large, and a module has no use for it.
var ofSystem []crossing
