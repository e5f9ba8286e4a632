#ifndef ENGINE_H
#define ENGINE_H

/* What `ffmpeg engine …` runs instead of ffmpeg. */
int engine_main(int argc, char **argv);

#endif
