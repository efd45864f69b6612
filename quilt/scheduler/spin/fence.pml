/* One exclusive token, two executions, an engine that crashes, and writes that
 * may arrive late. Every grant carries a fence higher than all before it, also
 * over a crash: the epoch, its high part, is on disk. A crash ends every grant;
 * executions may not have noticed yet. The store keeps the highest fence that
 * wrote and refuses lower ones in the transaction of the write.
 * Shown: no write of an older grant is applied after one of a newer. With
 * -DUNFENCED the store takes every write, with -DFORGETFUL the engine starts
 * again at fence zero, and both fail. */
#define MOST 4
#define NOBODY 2

byte holder = NOBODY;      /* in the engine's table */
byte fence = 0;            /* last given */
byte thinks[2];            /* the fence an execution believes to hold; 0: none */
byte flying[2];            /* a write on its way, by its fence */
byte highest = 0;          /* in the store */
byte grants = 0;           /* ghost: how many there were */
byte order[2];             /* ghost: which grant an execution has, by count */
byte sent[2];              /* ghost: which grant the flying write was made under */
byte applied = 0;          /* ghost: the newest grant that wrote */
bool stale = false;

proctype engine()
{
	byte to;
	do
	:: atomic { holder == NOBODY && grants < MOST ->
		if
		:: to = 0
		:: to = 1
		fi;
		if
		:: thinks[to] == 0 -> fence++; grants++; holder = to; thinks[to] = fence; order[to] = grants
		:: else
		fi }
	:: atomic { holder != NOBODY -> holder = NOBODY;    /* crash: the table is gone */
#ifdef FORGETFUL
		fence = 0
#endif
		}
	od
}

proctype execution(byte me)
{
	do
	:: atomic { thinks[me] != 0 && flying[me] == 0 -> flying[me] = thinks[me]; sent[me] = order[me] }
	:: atomic { flying[me] != 0 ->
#ifndef UNFENCED
		if
		:: flying[me] < highest -> skip     /* refused */
		:: else ->
			highest = flying[me];
#endif
			if
			:: sent[me] < applied -> stale = true
			:: else -> applied = sent[me]
			fi;
#ifndef UNFENCED
		fi;
#endif
		flying[me] = 0; sent[me] = 0 }
	:: atomic { thinks[me] != 0 && holder == me && thinks[me] == fence -> holder = NOBODY; thinks[me] = 0 }
	:: atomic { thinks[me] != 0 && holder != me -> thinks[me] = 0 }   /* it learns that it is over */
	od
}

init { atomic { run engine(); run execution(0); run execution(1) } }

ltl inorder { [] !stale }
