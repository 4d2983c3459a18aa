package fsbridge

// Enter fails for a directory in which nothing can be reached, since it may not be
// searched. Whether it may be listed does not matter.
func (d *Dir) Enter(name string) error {
	if err := check("enter", name); err != nil {
		return err
	}
	_, err := d.stat(name + "/.") // the directory itself is searched for this
	return d.fault("enter", name, err)
}

// Enter is that of the storage. Where that has none, every directory can be entered.
func (r readOnly) Enter(name string) error {
	if e, ok := r.fsys.(interface{ Enter(name string) error }); ok {
		return e.Enter(name)
	}
	return nil
}
