# Targets for those who develop the library; Makefile includes them.
.PHONY: test long bench house counts sbom licences

test: $(READY) ## run the quick tests: the library's notebooks, then tests/
	@nbdev-test nbs/api
	@pytest

# Each part takes less than an hour on two cores, but `files`, which takes an hour and a half. A folder of tests that is named in no other part belongs to the library.
PARTS := library pipeline project files site
PART := $(PARTS)
TESTS_library := tests --ignore=tests/pipeline --ignore=tests/project
TESTS_pipeline := tests/pipeline
TESTS_files := tests/project/test_messy_files.py
TESTS_project := tests/project $(addprefix --ignore=,$(TESTS_files) tests/project/test_site.py)
TESTS_site := tests/project/test_site.py
UNKNOWN_PARTS := $(filter-out $(PARTS),$(PART))
# This check stands outside the recipe, so it fails before make runs anything that the tests need.
$(if $(and $(UNKNOWN_PARTS),$(filter long,$(MAKECMDGOALS))),$(error PART is one of: $(PARTS)))
RUN_part = pytest -m "slow or long or site" --junitxml=.venv/checks-$(part).xml $(TESTS_$(part)) || status=1; \
	python tests/record.py .venv/checks-$(part).xml || status=1;

long: repro $(if $(filter pipeline,$(PART)),explore) docs .venv/spark ## run all other tests, or one PART of them (library, pipeline, project, files, site), and write down what they found
	@status=0; $(foreach part,$(PART),$(RUN_part)) exit $$status

bench: $(READY) ## measure speed and memory against peers; takes ten minutes, 4 GB of memory and 6 GB of disk
	@python -m benchmarks

house: $(READY) ## draw the sub-packages and what they import, docs/guide/house.svg
	@python docs/site/house.py

counts: $(READY) ## print how long cells, lines, notebooks and modules are
	@python .ci/counts.py

sbom: $(READY) ## list what is installed in sbom.json, as CycloneDX has it
	@python .ci/inventory.py sbom

licences: $(READY) ## list the licences of what is installed; fails where one is not allowed
	@python .ci/inventory.py licences
