package words

import (
	"slices"
	"strings"
)

// Action is a sort of work that tools do in every field.
type Action string

// actions has, for each sort of work, the verbs that tools are named by, and what
// people say instead. A phrase with "…" has other words in between; one with "^"
// in front stands at the beginning.
var actions = []struct {
	name    Action
	verbs   string
	phrases string
}{
	{"create", "create add new insert register make open start place book submit issue enroll", "new|another|fresh|create|set up|put…into|enter|write up|write down|take down|draft|book|register|make a|make it possible|open a|add|sign up|hand in|file a|order|need a|would like a|want to have|i want|offer|plan|put together|ask…to pay|organise|organize|arrange|start|compose|record|begin|one more|buy"},
	{"get", "get show read fetch view describe inspect status lookup retrieve", "show|what is|what exactly|what does|what did|where is|everything about|everything we know|all details|details|look at|tell me about|how is|how much|read|open up|status|which…does|pull up|give me|see"},
	{"list", "list all enumerate browse index", "which…are there|which…do we|what…are there|what…do we|what…have|all our|list|every|name them|go through|overview|all of the|what are|what…does…have|what…has"},
	{"search", "search find query lookup filter", "find|look for|look up|search|mention|mentions|speaks of|speak of|contain|contains|containing|hunt for|with the word|about"},
	{"update", "update edit change modify set rename adjust patch revise", "change|adjust|fix the|correct|raise|lower|move|edit|update|modify|rename|should cost|should be|set…to|replace|amend|extend|increase|reduce|rewrite|postpone|make it"},
	{"delete", "delete remove drop erase destroy purge", "delete|remove|get rid|drop|erase|destroy|for ever|forever|for good|take…out of|throw…away|wipe|kill|scrap|permanently"},
	{"archive", "archive", "put…away|no longer need|archive|file…away|out of sight|shelve|store away|keep…but"},
	{"restore", "restore unarchive undelete recover", "bring…back|bring back|restore|put away by mistake|recover|unarchive|reactivate|retrieve from the archive|had put away|had shelved"},
	{"approve", "approve accept confirm authorize", "approve|yes|agree|green light|go ahead|accept|is fine|may take|allow|okay|grant|confirm|sign off|permit|let…through|wave…through"},
	{"reject", "reject deny decline refuse dismiss", "reject|^no|no,|deny|turn down|turn…down|refuse|decline|will not|won't|tell…no|not allow|say no|dismiss|veto"},
	{"assign", "assign delegate allocate transfer", "assign|give…to|hand…to|takes care|take care|should be done by|should do|responsible|in charge|belongs to|should handle|will handle|goes to|should go to|let…fix|let…handle|let…do|look after|pass…to|delegate|is for"},
	{"share", "share grant", "share|let…see|let…read|let…look|have a look|can see|may see|show…to|may look|access to|visible to|let…view|send…a link"},
	{"export", "export download dump", "export|spreadsheet|download|save…to|as a file|csv|dump|excel|as a table|out of the system"},
	{"import", "import load upload ingest", "import|load|upload|from this spreadsheet|from a spreadsheet|from the file|from this file|from excel|read in|bring in|feed"},
	{"count", "count total number sum", "how many|count|number of|how large|total|how often|how big"},
	{"comment", "comment note annotate remark", "comment|note|remark|write beside|leave a|annotate|jot|add the words|say beside"},
	{"history", "history log audit changes trail", "who changed|who…touched|who touched|who edited|who released|who…and when|history|at what time|who has changed|what happened to|who modified|audit|changed by|who did|who has"},
	{"duplicate", "duplicate copy clone", "copy|duplicate|same…again|just like|as a second|clone|twin|once more|one like|based on|identical|another one like"},
	{"merge", "merge join combine dedupe unite", "merge|join|combine|twice|two times|make it one|same one|are the same|double|into one|duplicates|unite|are one"},
	{"remind", "remind reminder notify schedule", "remind|nag|nudge|warn me|tell me…before|wake me|don't let me forget|do not let me forget|ping me|alert me|poke me|i must not forget"},
	{"send", "send mail notify publish post broadcast", "send|mail|notify|publish|announce|message|forward"},
	{"cancel", "cancel stop abort revoke void", "cancel|call off|stop|abort|revoke|void|annul"},
	{"run", "run execute trigger invoke launch", "run|execute|trigger|kick off|launch"},
}

// ActionsOf are the sorts of work that a tool does, by its verb, and those that
// its verb could mean.
func ActionsOf(verb string) []Action {
	var out []Action
	for _, a := range actions {
		if slices.Contains(strings.Fields(a.verbs), strings.ToLower(verb)) {
			out = append(out, a.name)
		}
	}
	return out
}

// ActionsIn weighs the sorts of work that a request may ask for, from 0 to 1.
func ActionsIn(request string) map[Action]float64 {
	said := strings.Fields(strings.ToLower(strings.NewReplacer(",", " , ", ".", " ", "?", " ", "!", " ", ";", " , ", ":", " ").Replace(request)))
	out := map[Action]float64{}
	for _, a := range actions {
		for phrase := range strings.SplitSeq(a.phrases, "|") {
			n := says(said, phrase)
			out[a.name] = max(out[a.name], n)
		}
		if out[a.name] == 0 {
			delete(out, a.name)
		}
	}
	return out
}

// says: 1 for a phrase of several words, less for a single word.
func says(said []string, phrase string) float64 {
	rest, first := strings.CutPrefix(phrase, "^")
	parts := strings.Split(rest, "…")
	at := 0
	for i, part := range parts {
		want := strings.Fields(strings.ReplaceAll(part, ",", " ,"))
		found := -1
		for j := at; j+len(want) <= len(said); j++ {
			if slices.Equal(said[j:j+len(want)], want) {
				found = j
				break
			}
			if first || i > 0 && j-at > 6 {
				break
			}
		}
		if found < 0 {
			return 0
		}
		at = found + len(want)
	}
	if len(parts) > 1 || strings.Contains(rest, " ") {
		return 1
	}
	return 0.7
}
