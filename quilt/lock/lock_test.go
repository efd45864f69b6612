package lock

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/token"
)

// quilt is the lock service of one quiltd and what it holds in the table.
type quilt struct {
	broker.Service
	t *testing.T

	mu   sync.Mutex
	used map[uint64]int // uses by fence
}

func start(t *testing.T) *quilt { return &quilt{Service: New(), t: t, used: map[uint64]int{}} }

func (q *quilt) use(fence uint64, more int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used[fence] += more
}

func (q *quilt) uses(fence uint64) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.used[fence]
}

// call is one of an execution: its fences are the numbers of its calls.
func (q *quilt) call(execution string, id int64, args string) broker.Call {
	q.t.Helper()
	set, err := token.ParseSet([]string{"lock:gate:rw?hold=tx"})
	if err != nil {
		q.t.Fatal(err)
	}
	use := func(t token.Token, fence uint64) broker.Hold {
		q.use(fence, 1)
		return broker.Hold{Token: t, Fence: fence, Done: func() { q.use(fence, -1) }}
	}
	return broker.Call{Execution: execution, ID: id, Args: json.RawMessage(args), Grant: broker.Grant{
		Tokens: set,
		Take: func(_ context.Context, want token.Set) ([]broker.Hold, error) {
			return []broker.Hold{use(want[0], uint64(id))}, nil
		},
		Retake: func(t token.Token, fence uint64) (broker.Hold, bool) { return use(t, fence), true },
	}}
}

func (q *quilt) take(ctx context.Context, execution string, id int64) int64 {
	q.t.Helper()
	got, err := q.Ops["lock.take"](ctx, q.call(execution, id, `{"name":"gate"}`))
	if err != nil {
		q.t.Fatal(err)
	}
	return got.(taken).ID
}

func (q *quilt) drop(execution string, id int64) error {
	_, err := q.Ops["lock.drop"](context.Background(), q.call(execution, 99, fmt.Sprintf(`{"name":"gate","id":%d}`, id)))
	return err
}

// No id names two uses: not one of another execution, not one that was dropped,
// not one of the quiltd before; the same call made again after a crash has the same.
func TestIDs(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	q := start(t)
	first := q.take(ctx, "a", 1)
	if err := q.drop("b", first); fault.CodeOf(err) != fault.Interrupted {
		t.Errorf("the id of another execution: %v", err)
	}
	if err := q.drop("a", first); err != nil || q.uses(1) != 0 {
		t.Errorf("dropped: %v, %d uses", err, q.uses(1))
	}
	next := start(t)
	second := next.take(ctx, "a", 2)
	if err := next.drop("a", first); fault.CodeOf(err) != fault.Interrupted || next.uses(2) != 1 {
		t.Errorf("an id of the quiltd before: %v, %d uses of another lock", err, next.uses(2))
	}
	if again := start(t).take(ctx, "a", 2); again != second {
		t.Errorf("the same call has id %d and then %d", second, again)
	}
	if next.take(ctx, "a", 2); next.uses(2) != 1 {
		t.Errorf("a call that was asked again has %d uses", next.uses(2))
	}
	end()
	for began := time.Now(); next.uses(2) != 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > 5*time.Second {
			t.Fatal("the use did not end with its session")
		}
	}
}

// What leave lists, enter takes up in another quiltd under the same ids.
func TestLeaveAndEnter(t *testing.T) {
	q, next := start(t), start(t)
	one, two := q.take(t.Context(), "a", 1), q.take(t.Context(), "a", 2)
	q.take(t.Context(), "b", 3)
	text, err := json.Marshal(q.Leave("a"))
	if err != nil {
		t.Fatal(err)
	}
	if q.Leave("nobody") != nil {
		t.Error("something is left of nobody")
	}
	if err := next.Enter(t.Context(), next.call("a", 0, ""), text); err != nil {
		t.Fatal(err)
	}
	for i, id := range []int64{one, two} {
		if err := next.drop("a", id); err != nil || next.uses(uint64(i+1)) != 0 {
			t.Errorf("use %d: %v, %d uses", id, err, next.uses(uint64(i+1)))
		}
	}
	if len(next.used) != 2 {
		t.Errorf("taken up: %v", next.used)
	}
}
