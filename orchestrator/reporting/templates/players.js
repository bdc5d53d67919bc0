"use strict";
// A line that runs over each spectrogram with its sound.
for (const sound of document.querySelectorAll(".sound")) {
  const audio = sound.querySelector("audio"), cursor = sound.querySelector(".cursor");
  const move = () => {
    cursor.style.left = `${(100 * audio.currentTime) / (audio.duration || 1)}%`;
    if (!audio.paused) requestAnimationFrame(move);
  };
  for (const event of ["play", "seeked", "timeupdate", "ended"]) audio.addEventListener(event, move);
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  });
}
