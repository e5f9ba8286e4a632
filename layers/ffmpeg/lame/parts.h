/*
 * The parts of LAME's encoding of one frame, one by one, for segment.c, which
 * encodes pieces of a file side by side and joins them.
 */
#ifndef LAME_PARTS_H
#define LAME_PARTS_H

#include "util.h"

/* What lame_analyse_frame finds out about a frame; the spectrum is in l3_side. */
typedef struct {
    III_psy_ratio masking_LR[2][2];
    III_psy_ratio masking_MS[2][2];
    III_psy_ratio (*masking)[2]; /* the one of both that is used */
    FLOAT   pe_LR[2][2];
    FLOAT   pe_MS[2][2];
    FLOAT (*pe)[2];              /* the one of both that is used */
    FLOAT   ms_ener_ratio[2];
} frame_analysis_t;

/*
 * Analysis. Its memory from frame to frame: sv_psy, ov_psy, sv_enc.sb_sample,
 * sv_enc.pefirbuf, ATH->adjust_factor and ATH->adjust_limit.
 */
int     lame_analyse_frame(lame_internal_flags * gfc, sample_t const *inbuf_l,
                           sample_t const *inbuf_r, frame_analysis_t * fa);

/* Of a frame's analysis only how it moves ATH->adjust_factor and adjust_limit, which remember longest. */
void    lame_follow_loudness(lame_internal_flags * gfc,
                             sample_t const *inbuf_l, sample_t const *inbuf_r);

void    lame_pad_frame(lame_internal_flags * gfc);

/* What VBR_new_quantise did, and what VBR_new_reserve needs of it. */
typedef struct {
    int     max_bits[2][2];      /* the limits it had; 0 for a silent granule */
    int     frame_bits[16];      /* what each bitrate could hold */
    int     max_resv;
    int     used_bits;
    int     silent[2][2];        /* no energy at all */
    int     analog_silence;
    int     limited;             /* a limit shaped the result */
} vbr_frame_t;

/* The limits that the reservoir, as it is, sets to a frame of this entropy. */
void    VBR_new_limits(lame_internal_flags * gfc, const FLOAT pe[2][2], vbr_frame_t * vf);
void    VBR_new_quantise(lame_internal_flags * gfc, const FLOAT pe[2][2],
                         const III_psy_ratio ratio[2][2], vbr_frame_t * vf);
/* Choose the bitrate for a quantised frame and book its bits. */
void    VBR_new_reserve(lame_internal_flags * gfc, vbr_frame_t const *vf);

/* What CBR_quantise was granted for a granule, and what it did with it. */
typedef struct {
    int     targ_bits[2][2];     /* by granule and channel */
    int     nearly_full[2];      /* the reservoir was, so that there was no need to save */
    int     used_bits[2];
} cbr_frame_t;

/*
 * What the reservoir, as it is, grants a granule (targ_bits and nearly_full of
 * cf), in the stereo mode of ov_enc. mean_bits is from ResvFrameBegin.
 */
void    CBR_limits(lame_internal_flags * gfc, const FLOAT pe[2][2], const FLOAT ms_ener_ratio[2],
                   int mean_bits, int gr, cbr_frame_t * cf);
void    CBR_quantise(lame_internal_flags * gfc, const FLOAT pe[2][2], const FLOAT ms_ener_ratio[2],
                     const III_psy_ratio ratio[2][2], cbr_frame_t * cf);

/*
 * The frame's header and side information as they are, but for bitrate,
 * padding and main_data_begin, which are 0; and its main data, whose number of
 * bits is returned. buf must hold LAME_MAIN_DATA bytes.
 */
#define LAME_MAIN_DATA 4096
int     code_frame(lame_internal_flags * gfc, unsigned char side[MAX_HEADER_LEN], unsigned char *buf);

/* format_bitstream for a frame that code_frame has coded. */
int     format_coded_frame(lame_internal_flags * gfc, unsigned char const *side,
                           unsigned char const *main_data, int main_bits);

#endif
