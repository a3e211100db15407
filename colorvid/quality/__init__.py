"""How good a decoded picture is: PSNR, MS-SSIM, CIEDE2000, and the scores of frames."""
