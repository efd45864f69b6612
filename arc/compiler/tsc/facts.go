package arctsc

import "encoding/json"

// Span is a place in the author's source. Line and Col are 1-based, Col and
// Length count characters; a span never goes past the end of its line.
type Span struct {
	File     string // relative to the project
	Line     int
	Col      int
	Length   int
	LineText string
}

// Problem is one complaint.
type Problem struct {
	Code  string // "TS2322" or "ARC2001"
	Text  string
	At    Span
	Notes []Note
	Hint  string
	Trace string // only of ARC0001

	Warning bool // it may be built all the same
}

// Note points at a second place.
type Note struct {
	Text string
	At   Span
}

// Class is a class that carries marks of the SDK, or extends one of its units.
type Class struct {
	ID     string // "src/orders.ts#Orders"
	Name   string
	Export string // name under which its module exports it; empty: it does not
	At     Span
	Doc    Doc
	Marks  []Mark

	Abstract  bool
	NeedsArgs bool // its constructor cannot be called without arguments

	// Base is the SDK class it extends ("Agent"), with the types it was given.
	Base          string
	Input, Output json.RawMessage

	Instructions *Value
	Methods      []Method
	Handles      []Handle
	Uses         []Value // arguments of use(), each a Ref
	HasRun       bool    // it has a run method of its own
}

// Mark is one decorator: its name in the SDK and its folded options.
type Mark struct {
	Name    string
	Options Value
	At      Span
}

// Method is a marked method.
type Method struct {
	Name   string
	At     Span
	Doc    Doc
	Marks  []Mark
	Static bool
	Hidden bool // private, protected or #name
	Shape
}

// Function is a constant made with tool.fn.
type Function struct {
	ID      string // "src/hello.ts#hello"
	Name    string
	Export  string
	At      Span
	Doc     Doc
	Mark    Mark
	Handles []Handle
	Shape
}

// Shape is how a function is called.
type Shape struct {
	Params []Param
	Rest   bool
	// Empty where the mark has a schema of its own for it.
	Input, Output json.RawMessage
}

// Param is one parameter.
type Param struct {
	Name string
	At   Span
}

// Handle is one call of a handle function: kv<Order, 'rw'>('orders', 'rw').
type Handle struct {
	Name string
	Args []Value
	At   Span
}

// Doc is what JSDoc says about a declaration.
type Doc struct {
	Text       string
	Deprecated string // its text, or "deprecated" if it has none
}

// Kind of a folded value.
type Kind int

const (
	Undefined Kind = iota
	Null
	Bool
	Number
	String
	List
	Object
	Reference
	Call   // of a handle function: String is its name, List its arguments
	Schema // a value that only running the code would show
)

// Value is a constant of the source, folded without running code.
type Value struct {
	Kind   Kind
	Bool   bool
	Number float64
	String string
	List   []Value
	Fields []Field // in source order, each name once
	Ref    Ref
	At     Span
}

// Field is a member of an object.
type Field struct {
	Name  string
	Value Value
}

// Ref names a class, one of its methods, or a tool.fn constant.
type Ref struct {
	ID     string // of the class or constant
	Name   string
	Method string
	At     Span // of the declaration
}

// Get finds a member; a missing one is Undefined.
func (v Value) Get(name string) (Value, bool) {
	for i := range v.Fields {
		if v.Fields[i].Name == name {
			return v.Fields[i].Value, v.Fields[i].Value.Kind != Undefined
		}
	}
	return Value{}, false
}
