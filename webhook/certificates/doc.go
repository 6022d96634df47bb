// Package certificates gives the webhook its serving certificates, and says
// which authorities the API server has to trust for them.
//
// [Dynamic] needs nothing: cert-manager's own library keeps an authority in a
// Secret that all replicas share, and each replica issues its certificate in
// memory. [Files] reads what somebody else issued, such as a cert-manager
// Certificate that is mounted. Both renew without a restart, and change the
// authority without a failed request: the old and the new one are published
// together, and a certificate of the new one is served only after the API
// server was told of it (see overlap.go).
//
// It is the one room that links cert-manager. It may import api,
// controller-runtime's certwatcher, client-go and that library, and nothing else
// of Gitlatch.
package certificates
