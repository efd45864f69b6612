package cli

// The sentences of arc. Rules:
//   - One clear sentence, then what to do next. No capital, no full stop in
//     errors; help texts are prose.
//   - Name the thing in quotes as the user wrote it. Name the place.
//   - Say what happened, not how we feel about it: no "oops", no "please".
//   - Words of the house: bundle, unit, run, token, "container" for a sandbox.
//   - A hint is a command that can be pasted wherever there is one.

const (
	wordsShort = "Build TypeScript tools, agents, teams and pipelines for Aria and run them"
	wordsLong  = `arc turns plain decorated TypeScript into reproducible .aria bundles,
uploads them to a running ariad, and runs what is in them.

  arc new hello && cd hello     a project that builds at once
  arc build                     dist/hello-0.1.0.aria
  arc upload                    hand it to ariad ("ariad up" starts one)
  arc run hello.greet --input '{"name":"Ada"}'

Data goes to stdout, everything else to stderr. Exit codes: arc help exit-codes.`

	wordsNewLong = `Makes the folder NAME with a project in it: aria.toml, a toolbox, an agent that
uses it, and the types that editors need. It builds with no npm install. NAME may
carry a namespace: "acme/orders" is made in the folder orders.`
	wordsCheckLong = `Type-checks the project in DIR (default: here, or a folder above) and reads its
units, without writing anything.`
	wordsBuildLong = `Type-checks the project in DIR (default: here, or a folder above) and packs it
into one .aria file. Prints the path of the file on stdout. The same source gives
the same bytes, always.`
	wordsDevLong = `Starts the daemons (unless they run already or --server names some; without root
they refuse to do without what your host does not give you, unless --allow-degraded says
so), builds the project in DIR (default: here, or a folder above), uploads it, and does so
again at every change until Ctrl-C. Each build gets a version of its own, below the one in
aria.toml, or above it once that is uploaded, so that the plain name of a unit means the
newest, and takes the place of the build before it. With --run a unit runs after every
upload, with --rerun whatever was called last (by "arc run" in another terminal): its
events on stderr, its result on stdout.`
	wordsInspectLong = `Shows what is in a bundle: its digest, units, every permission with the places
in the source that ask for it, and its files. Everything is verified on the way.`
	wordsUploadLong = `Uploads a bundle, or builds the project in DIR (default: here) and uploads that.
Its units join the registry; with --isolated they can only be reached through the
bundle's digest. The installed bundles that it refers to go before it. Prints the
digest on stdout.`
	wordsTestLong = `Runs the tests of the project in DIR (default: here, or a folder above) in the
pinned Bun: every *.test.ts. They need no npm install: "bun:test" is Bun's own,
"@aria/sdk" and "@aria/sdk/testing" are this arc's, whose memoryHost() stands for kv
and the other handles. Tests are the author's code and run as the author, in no
container.

Recorded runs in tests/runs/*.json are played too, on the code as it is now, in
containers of a running ariad with every answer from the recording ("arc replay"): one
that comes out otherwise fails. --from-runs makes such tests of runs of that ariad. They
hold what the run was given and what it saw: look before you commit them.`
	wordsDoctorLong = `Looks at everything that arc needs: Bun, the sandbox for --reflect, your keys, the
ariad it talks to, and, in a project, its types, npm packages and source. With
--fix it mends what it can. Exits 1 if something is ill.`
	wordsManLong = `Writes a manual page for every command into DIR, as files that "man -l" reads and a
package can install under man1.`
	wordsOutdatedLong = `Looks at the places that aria.lock names: which version is the newest in the
range of each installed bundle, which is the newest of all, and whether the locked
one was taken back. Changes nothing.`
	wordsRmLong = `Takes bundles out of ariad's store, each named as "name@version", by its name if
there is only one version, or by its digest. A bundle that an open run is pinned to
stays. Prints the digests on stdout.`
	wordsPublishLong = `Publishes a bundle, or builds the project in DIR (default: here) and publishes
that, to any OCI registry; an ariad is one on its own port. The tag is the
version. A tag that holds something else is never overwritten; the same again
changes nothing, and adds signatures that are new. Prints PLACE@DIGEST on stdout.

Credentials come from docker's configuration ("docker login"); the ariad that arc
is pointed to with --server gets its own credential.`
	wordsInstallLong = `Installs bundles into the project here, for its agents, teams and pipelines to
refer to ("acme/search@^1#web"): the newest version in each range, and what that
refers to. Without a name it brings in exactly what aria.lock pins.

A bundle is kept only if it is what its digests say, a key that the trust file
trusts for its namespace has signed it, its author has not taken it back, and its
tag leads where aria.lock says. An upgrade that may do more than the version
before needs a yes.`
	wordsYankLong = `Takes a published version back: "arc install" passes it over or, asked for it by
name, refuses it with the reason. It stays where it is; nothing is deleted.

A yank is signed, and counts for whoever trusts the key for that bundle: sign with
the key that signed the bundle. A yank that nobody trusted has signed is shown as
a warning and stops nothing.`
	wordsClaimed = "the registry says that it was taken back"
	wordsRunLong = `Runs one unit and follows it: events on stderr, the result as JSON on stdout.

UNIT is "unit", "bundle#unit", "bundle@version#unit", "bundle@^1#unit" or
"sha256:…#unit".
The input is one JSON object with the unit's parameters: as text, as @file, or
"-" for stdin; without --input it is {}.

Ctrl-C cancels the run. --detach prints the run's id and leaves it running.`
	wordsChatLong = `Talks to an agent: every line of stdin is a turn, and what the agent says is printed
as it says it. The turns are one session, which the agent remembers, over restarts
too; --session goes on with an earlier one. A refusal or failure ends it with its
exit code.`
	wordsTaskLong = `Gives an agent a task in words and follows it: events on stderr, the agent's
answer as JSON on stdout. Words in several arguments are joined by blanks; "-"
reads them from stdin.`
	wordsLsLong = `Lists what ariad holds. Without a word: the units.`
	wordsLogs   = `Prints the events of a run, so far or with -f until it ends. Data goes to stdout
here: the events are the data. --after N starts behind event number N.`
	wordsBackupLong = `Writes the data of both daemons into one archive while they run: the journal of runs, the
bundles, what lies behind the tokens, the configuration. It is what a power cut at that
moment would leave: restored, open runs go on. Secrets are in it as they lie on disk,
encrypted; their key and the credential are not. FILE must not be there.`
	wordsRestoreLong = `Makes the data folder --data of an archive, for "ariad up --data DIR". It talks to no
ariad. Run it as root, so that each daemon gets what is its own. An archive that was cut
is refused and leaves nothing behind.`
	wordsTailLong = `Prints the events of a run as they come, from its first or from event --from on, until
it ends; without a run, those of all runs from now on, until Ctrl-C. Each line has the
run and the number of the event. What comes while nobody tails is in "arc logs".`
	wordsCostLong = `Adds up, from the journal, what runs used: a run with all that it called, or all runs
(--since 24h: of the last day), in one line or, with --by, a line for each agent, model,
tenant, unit or bundle. What unmodified clients of models in the code of units asked
through the gateway is in it. Dollars are those of the models file when the answer came.
An answer that did not say what it used, or that broke off, counts as the most that it
can have been (estimated). A model that was asked, and whose answer a crash took, is
uncertain: it may have cost.`
	wordsResumeLong = `Takes up a run that ended because it was given up: ariad had to take it up too often
without getting further, or a part was away for too long. It goes on from its journal;
what it had done stays done. A run that goes on, or that ended by itself, is refused.`
	wordsDrainLong = `Has ariad refuse new runs (code "unavailable", with Retry-After) while those that run go
on; with --wait it returns when none does any more, or with exit code 6. Runs that wait
for a person or a moment stay in the journal. A restart of ariad ends the drain, and so
does --undo.`
	wordsReplayLong = `Runs a run again with every answer that it had from outside: kv, models, the net,
clock and chance, people, and the units that it called. Its code runs in containers as
then, needs no key, spends nothing and changes nothing. Each event is held against the
recorded one, except times, where it ran and whom it waited for; the first difference is
shown, and then the exit code is 1.

--with runs the code of another bundle on the same past. --from N gives the answers of
events 1 to N only: what the code asks for behind them is denied and shown, or, with
--live, real: a new run that goes on from there.`
	wordsApproveLong = `Answers the oldest question that the run, or a run that it called, asks a person:
approval() in a pipeline, or a tool that is marked with approve. The run then
goes on; with --deny it hears of it as a result. "arc ps" shows what is asked.`
	wordsGraphLong = `Draws a pipeline of steps: a line for all that can run at the same time, each
step with those it comes after. Nothing is run.`
	wordsCancelLong      = `Asks a run and everything it called to stop. A run that has ended stays as it is.`
	wordsPolicyCheckLong = `Checks the policy FILE, or shows what ariad's policy is. With --bundle every token
of the bundle is explained: whether the policy gives it, which line decides that,
and how much of it there is. Exit code 4 if a token would be refused.`
	wordsFirmwareLong = `For machines that boot Aria's own image. An update goes into the slot that does
not run, is started once, and is kept only if it is found healthy in time; else
the machine goes back by itself and "arc firmware status" says why.`
	wordsFirmwarePushLong = `Sends a signed image to the machine, restarts it into it, and waits until the
machine has kept it (exit 0) or gone back to what it ran before (exit 1, with the
reason). A cut transfer goes on where it stopped: push the same image again.`
	wordsFirmwareKeyLong = `Makes an ed25519 key for signing firmware images and prints its id. A machine
takes images of the keys whose .pub was baked into the image it runs.`
	wordsFirmwareSignLong = `Signs one version of the firmware, the files root.img and linux.efi in DIR, into
one image that "arc firmware push" sends. The same files and key give the same bytes.`
	wordsExitIntro = "Exit codes of arc. Scripts may rely on them; the list only grows."
)

const (
	hintBuildFirst = `build one with "arc build", or give the path of a .aria file`
	hintInputJSON  = `the input is one JSON object: {"name":"Ada"}`
	hintQuoteJSON  = `quote it for the shell: --input '{"name":"Ada"}'`
)

// nextSteps is what "arc new" says last.
const nextSteps = `
next:
  cd %s
  arc dev               # as root: starts the daemons, rebuilds at every change
and in another terminal:`
