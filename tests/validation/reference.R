# Reference values for the tests of assets/claims/statistics/pooling.py and regressions.py, made by programs that are not ours.
# Run by hand; the result is committed as reference.json, and CI does not need R.
#
#     Rscript tests/validation/reference.R FOLDER > tests/validation/reference.json
#
# FOLDER: the files of Trott (2025), data/processed/attention_summaries of a clone of the repository
# seantrott/mechinterp_generalizability. Made with R 4.2.2, metafor 3.8-1 and lme4 1.1-31 (Debian 12).

suppressMessages({ library(metafor); library(lme4) })

numbers <- function(x) paste0("[", paste(sprintf("%.10g", x), collapse = ", "), "]")
entry <- function(.name, ...) {
  fields <- list(...)
  body <- paste(sprintf('"%s": %s', names(fields), fields), collapse = ", ")
  sprintf('  "%s": {%s}', .name, body)
}

# Random effects: 13 trials of a vaccine (Colditz et al. 1994, dat.bcg), 19 experiments on teachers' expectations
# (Raudenbush 1985), 37 studies of passive smoking (Hackshaw 1998), and made ones: two, three and five units that differ,
# and that are more alike than their errors (tau = 0). predict() with test = "knha" takes k - 1 degrees of freedom.
pooled <- function(name, yi, vi) {
  fit <- rma(yi, vi, method = "REML", test = "knha", control = list(threshold = 1e-12, maxiter = 1000))
  fixed <- rma(yi, vi, method = "FE")
  p <- predict(fit)
  entry(name, yi = numbers(yi), vi = numbers(vi), mean = numbers(fit$b), ci = numbers(c(fit$ci.lb, fit$ci.ub)),
        pi = numbers(c(p$pi.lb, p$pi.ub)), tau2 = numbers(fit$tau2), q = numbers(fit$QE),
        weights = numbers(weights(fit) / 100), fixed_ci = numbers(c(fixed$ci.lb, fixed$ci.ub)))
}
bcg <- escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
alike <- c(.10, .13, .08, .12, .11)

# The regressions of the paper.
folder <- commandArgs(trailingOnly = TRUE)[1]
heads <- do.call(rbind, lapply(list.files(folder, "\\.csv$", full.names = TRUE), read.csv))
best <- aggregate(mean_1back ~ mpath + n_params + seed + step_modded, heads, max)
best <- best[order(best$mpath, best$seed, best$step_modded), ]
best$x <- log10(best$step_modded)
runs <- do.call(rbind, lapply(split(best, list(best$mpath, best$seed)), function(run) {
  rate <- diff(run$mean_1back) / diff(run$x)
  first <- sapply((1:30) / 100, function(threshold) run$step_modded[-1][rate > threshold][1] - 1)
  data.frame(mpath = run$mpath[1], seed = run$seed[1], log_params = log10(run$n_params[1]),
             log_onset = log10(mean(first, na.rm = TRUE)), peak = max(run$mean_1back),
             slope = coef(lm(mean_1back ~ x, run))[2])
}))
final <- heads[heads$revision == "step143000", ]
final$depth <- final$Layer / final$n_layers

mixed <- function(name, formula, data, REML = TRUE) {
  control <- lmerControl(optimizer = "bobyqa", calc.derivs = FALSE, check.conv.singular = "ignore",
                         optCtrl = list(rhobeg = .02, rhoend = 1e-9, maxfun = 1e5))
  fit <- lmer(formula, data, REML = REML, control = control)
  row <- coef(summary(fit))[2, ]
  entry(name, coefficient = sprintf("%.10g", row[1]), standard_error = sprintf("%.10g", row[2]),
        log_likelihood = sprintf("%.10g", logLik(fit)), n = nobs(fit))
}

# Crossed factors, cells missing, in made data: eight and five groups that differ; the same where one factor is nothing.
cells <- subset(expand.grid(a = 1:8, b = 1:5, repeat_ = 1:3), (a * 7 + b * 3 + repeat_) %% 11 != 0)
unlike <- function(k) (sin(12.9898 * k) * 43758.5453) %% 1 - .5
cells$x <- unlike(seq_len(nrow(cells)))
cells$y <- 2 + .7 * cells$x + 1.5 * unlike(100 + cells$a) + 2.5 * unlike(200 + cells$b) + unlike(300 + seq_len(nrow(cells)))
cells$flat <- cells$y - 2.5 * unlike(200 + cells$b)
cells$flat <- cells$flat - ave(resid(lm(flat ~ x + factor(a), cells)), cells$b)
made <- function() entry("made", x = numbers(cells$x), y = numbers(cells$y), flat = numbers(cells$flat),
                         a = numbers(cells$a), b = numbers(cells$b))

cat("{\n", paste(c(
  pooled("bcg", bcg$yi, bcg$vi),
  pooled("teachers", dat.raudenbush1985$yi, dat.raudenbush1985$vi),
  pooled("smoking", dat.hackshaw1998$yi, dat.hackshaw1998$vi),
  pooled("alike", alike, c(.01, .02, .01, .03, .01)),
  pooled("two", c(.2, .9), c(.01, .03)),
  pooled("two_alike", c(.2, .25), c(.01, .03)),
  pooled("three", c(.1, .5, 1.1), c(.02, .01, .05)),
  pooled("three_alike", c(.30, .34, .29), c(.02, .01, .05)),
  pooled("three_near", c(.30, .55, .20), c(.02, .02, .02)),
  made(),
  mixed("made_crossed", y ~ x + (1 | a) + (1 | b), cells),
  mixed("made_crossed_ml", y ~ x + (1 | a) + (1 | b), cells, REML = FALSE),
  mixed("made_one_factor", y ~ x + (1 | b), cells),
  mixed("made_flat", flat ~ x + (1 | a) + (1 | b), cells),
  mixed("log_onset", log_onset ~ log_params + (1 | seed), runs),
  mixed("peak", peak ~ log_params + (1 | seed), runs),
  mixed("slope", slope ~ log_params + (1 | seed), runs),
  mixed("log_onset_by_model", log_onset ~ log_params + (1 | mpath), runs),
  mixed("value_by_depth", mean_1back ~ depth + (1 | Head) + (1 | mpath), final),
  mixed("growth", mean_1back ~ x + (1 | seed) + (1 | mpath), best, REML = FALSE)
), collapse = ",\n"), "\n}\n", sep = "")
