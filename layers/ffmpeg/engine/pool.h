/*
 * The encoding of a track by several threads at once. Each thread does what is
 * most urgent: join the next segment, decode one, encode one. One thread alone
 * therefore does all three by turns, and no work is left to anybody else.
 */
#ifndef ENGINE_POOL_H
#define ENGINE_POOL_H

#include "track.h"

/* Encode the selected track as the command says, sending EVENT_MP3, EVENT_PROGRESS and EVENT_END. -1 once reported. */
int pool_encode(struct track *t, const struct command *c);

#endif
