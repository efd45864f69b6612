/* Three sessions ask again and again, all or nothing, for two locks: the first
 * for a, the second for b, the third for both. Who waits holds nothing. A waiter
 * is granted when its locks are free and no earlier waiter wants one of them.
 * Shown: nobody holds beside another, and under weak fairness the third is
 * served. With -DBARGE the second half of the rule is missing, and the third
 * starves while the others take turns. */
#define A 1
#define B 2
#define clash(x, y) ((want[x] & want[y]) != 0)

mtype = { idle, waits, holds };
mtype state[4] = idle;
byte want[4];
byte line[3];              /* who waits, in the order of asking */
byte waiting = 0;
byte taken = 0;            /* locks that are held */

/* Looks at the line from its head, and again after every grant. */
inline settle()
{
	at = 0;
	do
	:: at >= waiting -> break
	:: at < waiting ->
		who = line[at];
		may = ((taken & want[who]) == 0);
#ifndef BARGE
		before = 0;
		do
		:: before >= at -> break
		:: before < at ->
			if
			:: clash(who, line[before]) -> may = false
			:: else
			fi;
			before++
		od;
#endif
		if
		:: may ->
			taken = taken | want[who];
			state[who] = holds;
			do
			:: at + 1 >= waiting -> break
			:: at + 1 < waiting -> line[at] = line[at + 1]; at++
			od;
			waiting--;
			line[waiting] = 0;
			at = 0
		:: else -> at++
		fi
	od;
	at = 0; who = 0; before = 0; may = false
}

proctype session(byte me)
{
	byte at, who, before;
	bool may;
	do
	:: atomic { state[me] == idle -> state[me] = waits; line[waiting] = me; waiting++; settle() }
	:: atomic { state[me] == holds -> state[me] = idle; taken = taken & (3 - want[me]); settle() }
	od
}

init {
	atomic {
		want[1] = A; want[2] = B; want[3] = A | B;
		run session(1); run session(2); run session(3)
	}
}

ltl apart { [] !((state[3] == holds && state[1] == holds) || (state[3] == holds && state[2] == holds)) }
ltl served { [] (state[3] == waits -> <> (state[3] == holds)) }
