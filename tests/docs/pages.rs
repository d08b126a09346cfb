//! The pages, and what stands in them.

use std::fs;
use std::path::{Path, PathBuf};

/// One Markdown file.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// From the repository's root.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A fenced block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
    /// The line of its fence, for messages.
    pub(crate) line: usize,
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self { path: path.to_owned(), text }
    }

    /// The fenced blocks, in their order; the fence's own indentation is taken off.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<(usize, Block)> = None;
        for (number, line) in self.text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            match (line.trim_start().strip_prefix("```"), &mut open) {
                (Some(language), None) => {
                    let block = Block { language: language.to_owned(), text: String::new(), line: number + 1 };
                    open = Some((indent, block));
                }
                (Some(_), Some(_)) => blocks.extend(open.take().map(|(_, block)| block)),
                (None, Some((indent, block))) => {
                    block.text.push_str(line.get(*indent..).unwrap_or_default());
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block without an end", self.path);
        blocks
    }

    /// The commands of all console blocks.
    pub(crate) fn commands(&self) -> Vec<String> {
        let consoles = self.blocks().into_iter().filter(|block| block.language == "console");
        consoles.flat_map(|block| block.commands()).collect()
    }

    /// What stands in code type within sentences and tables, and begins with one of these programs.
    pub(crate) fn mentions(&self, programs: &[&str]) -> Vec<String> {
        let prose = self.prose().replace("\\|", "|");
        let code = prose.split('`').skip(1).step_by(2);
        let code = code.map(|code| code.split_whitespace().collect::<Vec<_>>().join(" "));
        code.filter(|code| programs.iter().any(|program| code.starts_with(&format!("{program} ")))).collect()
    }

    /// The lines outside of blocks.
    pub(crate) fn prose(&self) -> String {
        let mut inside = false;
        let outside = self.text.lines().filter(|line| {
            let is_fence = line.trim_start().starts_with("```");
            inside ^= is_fence;
            !inside && !is_fence
        });
        outside.collect::<Vec<_>>().join("\n")
    }
}

impl Block {
    /// The commands of a console block: each begins with `$ ` and goes on until the next one does.
    pub(crate) fn commands(&self) -> Vec<String> {
        let mut commands: Vec<String> = Vec::new();
        for line in self.text.lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(first), _) => commands.push(first.to_owned()),
                (None, Some(command)) => {
                    command.push('\n');
                    command.push_str(line);
                }
                (None, None) => panic!("line {}: a console block begins with `$ `, not with {line:?}", self.line),
            }
        }
        commands
    }
}

/// The repository's directory.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page of the documentation.
pub(crate) fn all() -> Vec<Page> {
    let mut paths = ["README.md", "SECURITY.md", "deploy/helm/pullmint/README.md"].map(str::to_owned).to_vec();
    paths.extend(below("docs").iter().map(|path| path.display().to_string()));
    paths.iter().map(|path| Page::read(path)).collect()
}

fn below(dir: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![PathBuf::from(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(root().join(&dir)).expect("a directory") {
            let entry = entry.expect("an entry");
            let path = dir.join(entry.file_name());
            if entry.path().is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
