package bundle

// Unsigned gives the .aria file of b without its signatures: what registries
// keep as the bundle, so that a signature that comes later changes no address.
func (b *Bundle) Unsigned() ([]byte, error) {
	plain := *b
	plain.Signatures = nil
	return plain.WithSignatures()
}
