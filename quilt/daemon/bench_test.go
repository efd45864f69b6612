package daemon

import (
	"fmt"
	"io"
	"testing"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// One trivial unit from request to its last event, through the socket.
func BenchmarkExecute(b *testing.B) {
	p := startPair(b, dataDir(b))
	var ready int64
	i := 0
	for b.Loop() {
		i++
		stream, err := p.execute(b.Context(), &quiltv1.ExecuteRequest{Execution: fmt.Sprint("b", i), Unit: "bench", Code: unit(`return 1`)})
		if err != nil {
			b.Fatal(err)
		}
		for {
			m, err := stream.Recv()
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			ready += m.GetStarted().GetTookUs()
			if e := m.GetEnded(); e != nil && e.Reason != "done" {
				b.Fatal(e)
			}
		}
	}
	b.ReportMetric(float64(ready)/float64(i)/1000, "ready-ms/op")
}
