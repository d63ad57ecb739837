# Installs the project into .venv, and into .darkroom/tools the programs that cannot share its environment. The
# file .installed in each environment is its make target; it is made again when its requirements change.

UV := uv==0.13.8
SHARP := sharp@0.35.5
PYTHON := .venv/bin/python
PROJECT := .venv/.installed
EMULATOR := .darkroom/tools/ministack/.installed
SAM_CLI := .darkroom/tools/sam/.installed
CHECKOV := .darkroom/tools/checkov/.installed
ZIZMOR := .darkroom/tools/zizmor/.installed
NODE := .darkroom/tools/node/.installed
BENCH := .darkroom/tools/bench/.installed

# Prints the path of a Python that works, 3.13 first. Each is tried by running it: a pyenv shim may exist and answer
# "command not found", and .python-version may name a version that pyenv does not have.
define FIND_PYTHON
works='import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 14) or sys.exit(1); print(sys.executable)'
complete='import ensurepip, venv'
incomplete=
for version in 3.13 3.14 3.12 3.11 3 system; do
  for program in "python$${version#system}" "python3"; do
    for pyenv in "$$PYENV_VERSION" "$$version"; do
      path=$$(PYENV_VERSION=$$pyenv $$program -c "$$works" 2>/dev/null) || continue
      if "$$path" -c "$$complete" 2>/dev/null; then echo "$$path"; exit 0; fi
      incomplete=$$path
    done
  done
done
if test -n "$$incomplete"; then
  echo "make: $$incomplete cannot make virtual environments: install its venv package" >&2
  echo "      (Debian, Ubuntu: apt install python3-venv)" >&2
else
  echo "make: Python 3.11, 3.12, 3.13 or 3.14 is needed, and none was found on PATH" >&2
fi
exit 1
endef
export FIND_PYTHON

# uv takes a tenth of pip's time. It does not read pip's configuration, so an index that is configured for pip is
# passed on. If uv fails all the same (other mirrors, proxies, certificates), pip itself installs.
# $(1): the environment; $(2): what to install.
define INSTALL
index=$${PIP_INDEX_URL:-$$($(PYTHON) -m pip config get global.index-url 2>/dev/null || true)}; \
if test -n "$$index"; then export UV_DEFAULT_INDEX="$$index"; fi; \
.venv/bin/uv pip install --quiet --python $(1)/bin/python $(2) || { \
  $(PYTHON) -m pip install --quiet --upgrade 'pip>=25.1' && \
  $(PYTHON) -m pip --python $(1)/bin/python install --quiet $(2); }
endef

$(PROJECT): functions/requirements.txt pyproject.toml
	@echo 'Installing the project into .venv'
	@python=$$(sh -c "$$FIND_PYTHON") && { .venv/bin/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv .venv; }
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check $(UV)
	@$(call INSTALL,.venv,-r functions/requirements.txt --group pyproject.toml:dev --editable .)
	@touch $@

# Programs with an environment each: pyproject.toml has a group for each.
$(EMULATOR) $(SAM_CLI) $(CHECKOV) $(NODE) $(ZIZMOR): .darkroom/tools/%/.installed: pyproject.toml $(PROJECT)
	@echo 'Installing $* into .darkroom/tools/$*'
	@test -x .darkroom/tools/$*/bin/python || $(PYTHON) -m venv --without-pip .darkroom/tools/$*
	@$(call INSTALL,.darkroom/tools/$*,--group pyproject.toml:$*)
	@touch $@

# Without Node.js the bench runs all the same, and prints what it could not measure.
$(BENCH): pyproject.toml install.mk $(PROJECT)
	@echo 'Installing the bench'"'"'s peers into .darkroom/tools/bench'
	@test -x .darkroom/tools/bench/bin/python || $(PYTHON) -m venv --without-pip .darkroom/tools/bench
	@$(call INSTALL,.darkroom/tools/bench,--group pyproject.toml:bench)
	@mkdir -p .darkroom/tools/bench/node
	@! command -v npm >/dev/null || npm install --silent --no-audit --no-fund --no-package-lock \
	  --prefix .darkroom/tools/bench/node $(SHARP) || echo 'make bench: sharp could not be installed' >&2
	@touch $@
