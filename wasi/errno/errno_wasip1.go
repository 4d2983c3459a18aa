package errno

// ofSystem is empty: package net is large, and a module has no use for its errors.
var ofSystem []crossing
