package bundle

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

// Trigger says what starts a unit without anybody asking for a run.
type Trigger struct {
	On      []string `json:"on,omitempty"`      // names of events: "order.paid"
	EveryMS int64    `json:"everyMs,omitempty"` // at least MinEvery
	Cron    string   `json:"cron,omitempty"`    // five fields
	Zone    string   `json:"zone,omitempty"`    // of Cron and of Tick.Day: "Europe/Berlin"; "" is UTC
	HTTP    string   `json:"http,omitempty"`    // "POST /hooks/refund"
	// Secret signs what comes in over HTTP; without it callers bear the credential.
	Secret string `json:"secret,omitempty"`
	// With is an object: what a schedule gives as input, besides the Tick.
	With json.RawMessage `json:"with,omitempty"`
}

// HookPrefix is where units are reached over HTTP.
const HookPrefix = "/hooks"

// MinEvery is the shortest pause of a schedule.
const MinEvery = time.Second

// Triggers is what starts the unit; older bundles say it in their pipelines.
func (u *Unit) Triggers() (Trigger, bool) {
	if u.Trigger != nil {
		return *u.Trigger, true
	}
	p := u.Pipeline
	if p == nil || p.On == "" && p.Every == "" && p.Cron == "" && p.HTTP == "" {
		return Trigger{}, false
	}
	t := Trigger{Cron: p.Cron}
	if name, ok := strings.CutPrefix(p.On, EventPrefix); ok {
		t.On = []string{name}
	}
	if d, err := time.ParseDuration(strings.Replace(p.Every, "d", "h", 1)); err == nil {
		if strings.HasSuffix(p.Every, "d") {
			d *= 24
		}
		t.EveryMS = d.Milliseconds()
	}
	if p.HTTP != "" {
		t.HTTP, _ = Hook(p.HTTP)
	}
	return t, true
}

// EventPrefix stands before the name of an event in source.
const EventPrefix = "event:"

var (
	eventName = regexp.MustCompile(`^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$`)
	hookPath  = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)
	hookVerbs = []string{"GET", "POST", "PUT", "DELETE"}
)

// ValidEvent says whether name can be that of an event: letters and digits,
// parts joined with ". _ -", at most 100 bytes.
func ValidEvent(name string) bool { return len(name) <= 100 && eventName.MatchString(name) }

// Hook brings "POST /refund", "/refund" and "POST /hooks/refund" to the last form.
func Hook(text string) (string, *fault.Error) {
	verb, path, ok := strings.Cut(text, " ")
	if !ok {
		verb, path = "POST", text
	}
	if !slices.Contains(hookVerbs, verb) || len(path) > 200 || !hookPath.MatchString(path) {
		return "", odd("%q is no way to be called over HTTP", text).WithHint(`write a method (GET, POST, PUT or DELETE) and a path: "POST /refund"`)
	}
	if !strings.HasPrefix(path, HookPrefix+"/") {
		path = HookPrefix + path
	}
	return verb + " " + path, nil
}

// Check says what is wrong with it.
func (t Trigger) Check() *fault.Error {
	if len(t.On) == 0 && t.EveryMS == 0 && t.Cron == "" && t.HTTP == "" {
		return odd("a trigger says neither on, every, cron nor http")
	}
	for i, e := range t.On {
		if !ValidEvent(e) || slices.Contains(t.On[:i], e) {
			return odd("%q cannot be the name of an event, or stands twice", e).WithHint(`letters and digits, parts joined with ". _ -": "order.paid"`)
		}
	}
	if _, err := t.Schedule(); err != nil {
		return err
	}
	if t.HTTP != "" {
		if h, err := Hook(t.HTTP); err != nil {
			return err
		} else if h != t.HTTP {
			return odd("%q is not canonical", t.HTTP).WithHint("write %q", h)
		}
	}
	if t.Secret != "" {
		if _, err := token.Parse("secret:" + t.Secret); err != nil || t.HTTP == "" {
			return odd("%q signs no calls over HTTP", t.Secret).WithHint("a secret has a name such as HOOK_KEY and stands beside http")
		}
	}
	if len(t.With) > 0 && (!isObject(t.With) || t.EveryMS == 0 && t.Cron == "") {
		return odd("with is not an object, or stands beside no schedule")
	}
	return nil
}

// odd is what is wrong with a part that the compiler checks too.
func odd(format string, args ...any) *fault.Error { return fault.New(fault.Invalid, format, args...) }

// Tick is one moment of a schedule.
type Tick struct {
	Time   time.Time
	Missed int // ticks before it that nobody was there for
}

// Input is what a schedule starts the unit with: With, and of time (RFC 3339),
// day ("2026-11-22") and missed (a number) those that the unit's input names.
// schema is the unit's input, self-contained.
func (t Trigger) Input(schema json.RawMessage, tick Tick) (json.RawMessage, error) {
	var s struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		return nil, odd("the input is no schema object")
	}
	in := map[string]any{}
	if len(t.With) > 0 {
		d := json.NewDecoder(bytes.NewReader(t.With))
		d.UseNumber()
		if err := d.Decode(&in); err != nil {
			return nil, odd("with is not an object")
		}
	}
	at := tick.Time.In(t.location())
	for name, value := range map[string]any{"time": at.Format(time.RFC3339Nano), "day": at.Format(time.DateOnly), "missed": tick.Missed} {
		_, asked := s.Properties[name]
		if _, given := in[name]; asked && !given {
			in[name] = value
		}
	}
	return json.Marshal(in)
}

// TickFields are the properties of an input that a schedule fills in.
var TickFields = []string{"time", "day", "missed"}

// location of a zone that Check let pass.
func (t Trigger) location() *time.Location {
	if l, err := zone(t.Zone); err == nil {
		return l
	}
	return time.UTC
}
