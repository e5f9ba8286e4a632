/*
 * The audio track of a file, decoded, cut, mixed and resampled: from a URL to
 * samples. One thread at a time.
 */
#ifndef ENGINE_TRACK_H
#define ENGINE_TRACK_H

#include "wire.h"

struct track;

/* Open the file and find out what is in it; on an error that is reported, NULL. */
struct track *track_open(const char *url);
void track_close(struct track *t);
/* Say what the file is (EVENT_INFO). */
void track_describe(struct track *t);
/* Send the picture of a stream (EVENT_PICTURE), if there is one. */
void track_picture(struct track *t, int stream);
/* Choose the stream, and make everything ready to decode it as the command says; -1 once reported. */
int track_select(struct track *t, const struct command *c);
/*
 * Put the next samples, times scale, at to[0] and (stereo) to[1]; full scale is +-32768. What is no number becomes
 * silence. Returns how many there were: fewer than asked for only at the end, or -1 for an error that is reported.
 */
long track_samples(struct track *t, float *to[2], long count, float scale);
/* Decode and filter all of it, for what filters say about it. -1 once reported. */
int track_run(struct track *t);
/* Pass the stream's packets on as they are (EVENT_PACKETS), if they are MP3. -1 once reported. */
int track_copy(struct track *t, int stream);
/* Put what was noticed on the way into the JSON of EVENT_END. */
void track_remarks(struct track *t, struct json *j);

#endif
