"""Audio: speech enhancement and dereverberation, waveforms in, waveforms out.

A wave is a tensor (C, N) of channels and samples in [-1, 1], or (B, N) where channels are rows of
a batch. A file goes through

    blocks of a file -> the model's rate -> overlapping chunks -> model -> the file's rate -> file

(`files`, `resample`, `chunks`), and a model sees a chunk as the state (B, 2, F, T) of
`spectrogram`, at the level of `normalise`. No step holds more than a few chunks.
"""
