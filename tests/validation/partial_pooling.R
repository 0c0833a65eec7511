# Reference values for the tests of assets/claims/statistics/partial_pooling.py. Run by hand; CI does not need R.
#
#     Rscript tests/validation/partial_pooling.R > tests/validation/partial_pooling.json
#
# Made with R 4.2.2 and lme4 1.1-31 (Debian 12), on parts of its data sets Dyestuff and sleepstudy with unequal groups.

suppressMessages(library(lme4))
numbers <- function(x) paste0("[", paste(sprintf("%.10g", x), collapse = ", "), "]")
texts <- function(x) paste0("[", paste(sprintf('"%s"', x), collapse = ", "), "]")

entry <- function(name, formula, data, group, new, size) {
  fit <- lmer(formula, data, control = lmerControl(optCtrl = list(xtol_rel = 1e-12, ftol_abs = 1e-14)))
  criterion <- update(fit, devFunOnly = TRUE)
  fields <- list(values = numbers(data[[1]]), groups = texts(data[[group]]), new_groups = texts(new[[group]]),
                 sizes = if (is.null(size)) "null" else numbers(data[[size]]),
                 new_sizes = if (is.null(size)) "null" else numbers(new[[size]]),
                 variances = numbers(as.data.frame(VarCorr(fit))$vcov),
                 predicted = numbers(predict(fit, new, allow.new.levels = TRUE)),
                 ratios = numbers(0:2), log_likelihoods = numbers(-sapply(0:2, criterion) / 2))
  sprintf('  "%s": {%s}', name, paste(sprintf('"%s": %s', names(fields), fields), collapse = ", "))
}

yields <- Dyestuff[-c(2, 3, 9, 14, 20:24), c("Yield", "Batch")]
nights <- sleepstudy[c(1, 4, 11, 12, 15, 23, 24, 29, 33, 44, 45, 46, 52, 57, 58, 70), ]
nights$Subject <- factor(as.character(nights$Subject))
cat("{\n", paste(c(
  entry("yields", Yield ~ 1 + (1 | Batch), yields, "Batch", data.frame(Batch = c("A", "E", "Z")), NULL),
  entry("nights", Reaction ~ Days + (1 | Subject), nights, "Subject",
        data.frame(Subject = c("308", "335", "999"), Days = c(7, 2, 5)), "Days")
), collapse = ",\n"), "\n}\n", sep = "")
