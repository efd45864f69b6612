package secret

import (
	"context"
	"encoding/json"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// Service is what stands behind secret tokens: a refusal. A credential is used
// by quilt/net, outside; there is no operation that gives one to a container.
func Service() broker.Service {
	return broker.Service{Scheme: "secret", Ops: map[string]broker.Op{"secret.get": refuse},
		Nature: broker.Natures{"secret.get": broker.Read}.Of}
}

func refuse(_ context.Context, c broker.Call) (any, error) {
	var a struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(c.Args, &a) // the answer is the same
	return nil, fault.New(fault.Denied, "the value of secret:%s never enters a container", broker.Clip(a.Name, 64)).
		WithHint("bind it to a host, and it is added to requests outside: net('api.example.com', { auth: secret('KEY') })")
}
