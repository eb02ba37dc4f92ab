"""References: BibTeX of the works that docstrings name as sources, and the words by which a docstring names each.

Longer than 300 lines, because it is one table.
"""

from typing import NamedTuple


class Reference(NamedTuple):
    """A published work.

    Attributes:
      key: of the BibTeX entry.
      words: one of them stands in every docstring whose source this is.
      bibtex: the entry.
    """

    key: str
    words: tuple[str, ...]
    bibtex: str


def _entry(kind: str, key: str, words: str | tuple[str, ...], **fields: str) -> Reference:
    """A reference; `arxiv` becomes the fields that BibTeX styles expect."""
    if "arxiv" in fields:
        number = fields.pop("arxiv")
        fields |= {"eprint": number, "archiveprefix": "arXiv", "url": f"https://arxiv.org/abs/{number}"}
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items()]
    bibtex = f"@{kind}{{{key},\n" + ",\n".join(lines) + "\n}"
    return Reference(key, (words,) if isinstance(words, str) else words, bibtex)


POLEJAX = _entry(
    "software",
    "polejax",
    (),
    author="{The polejax developers}",
    title="{polejax}: vectorised {Monte Carlo} simulation of {Proof of Learning} blockchain consensus",
)

REFERENCES = (
    _entry(
        "misc",
        "lan2020pole",
        "2007.15145",
        author="Lan, Yixiao and Liu, Yuan and Li, Boyang",
        title="Proof of Learning ({PoLe}): Empowering Machine Learning with Consensus Building on Blockchains",
        year="2020",
        arxiv="2007.15145",
    ),
    _entry(
        "misc",
        "nakamoto2008bitcoin",
        "Nakamoto 2008",
        author="Nakamoto, Satoshi",
        title="Bitcoin: A Peer-to-Peer Electronic Cash System",
        year="2008",
        url="https://bitcoin.org/bitcoin.pdf",
    ),
    _entry(
        "misc",
        "rosenfeld2014hashrate",
        "1402.2009",
        author="Rosenfeld, Meni",
        title="Analysis of Hashrate-Based Double Spending",
        year="2014",
        arxiv="1402.2009",
    ),
    _entry(
        "inproceedings",
        "eyal2014majority",
        "1311.0243",
        author='Eyal, Ittay and Sirer, Emin G{\\"u}n',
        title="Majority Is Not Enough: Bitcoin Mining Is Vulnerable",
        booktitle="Financial Cryptography and Data Security",
        year="2014",
        arxiv="1311.0243",
    ),
    _entry(
        "misc",
        "bai2018selfish",
        "1811.08263",
        author="Bai, Qianlan and Zhou, Xinyan and Wang, Xing and Xu, Yuedong and Wang, Xin and Kong, Qingsheng",
        title="A Deep Dive into Blockchain Selfish Mining",
        year="2018",
        arxiv="1811.08263",
    ),
    _entry(
        "misc",
        "chenli2019podl",
        "1902.03912",
        author="Chenli, Changhao and Li, Boyang and Shi, Yiyu and Jung, Taeho",
        title="Energy-recycling Blockchain with Proof-of-Deep-Learning",
        year="2019",
        arxiv="1902.03912",
    ),
    _entry(
        "misc",
        "li2019dlbc",
        "1904.07349",
        author="Li, Boyang and Chenli, Changhao and Xu, Xiaowei and Shi, Yiyu and Jung, Taeho",
        title="{DLBC}: A Deep Learning-Based Consensus in Blockchains for Deep Learning Services",
        year="2019",
        arxiv="1904.07349",
    ),
    _entry(
        "article",
        "baldominos2019coinai",
        "1903.09800",
        author="Baldominos, Alejandro and Saez, Yago",
        title="{Coin.AI}: A Proof-of-Useful-Work Scheme for Blockchain-Based Distributed Deep Learning",
        journal="Entropy",
        volume="21",
        number="8",
        pages="723",
        year="2019",
        arxiv="1903.09800",
    ),
    _entry(
        "misc",
        "qu2019pofl",
        "1912.11745",
        author="Qu, Xidi and Wang, Shengling and Hu, Qin and Cheng, Xiuzhen",
        title="Proof of Federated Learning: A Novel Energy-recycling Consensus Algorithm",
        year="2019",
        arxiv="1912.11745",
    ),
    _entry(
        "misc",
        "su2023dpodl",
        "Su, Larangeira",
        author="Su, Xiangyu and Larangeira, Mario and Tanaka, Keisuke",
        title="Provably Secure Blockchain Protocols from Distributed Proof-of-Deep-Learning",
    ),
    _entry(
        "inproceedings",
        "bravomarquez2019wekacoin",
        "Bravo-Marquez",
        author="Bravo-Marquez, Felipe and Reeves, Steve and Ugarte, Martin",
        title="Proof-of-Learning: A Blockchain Consensus Mechanism Based on Machine Learning Competitions",
        booktitle="IEEE International Conference on Decentralized Applications and Infrastructures (DAPPCON)",
        pages="119--124",
        year="2019",
    ),
    _entry(
        "misc",
        "cao2025sedulity",
        "2512.13666",
        author="Cao, Weihang and Doger, Mustafa and Ulukus, Sennur",
        title="{SEDULity}: A Proof-of-Learning Framework for Distributed and Secure Blockchains "
        "with Efficient Useful Work",
        year="2025",
        arxiv="2512.13666",
    ),
    _entry(
        "misc",
        "bitcoincore",
        "Bitcoin Core",
        author="{The Bitcoin Core developers}",
        title="Bitcoin Core",
        url="https://github.com/bitcoin/bitcoin",
    ),
    _entry(
        "misc",
        "eip2",
        ("EIP-2.", "EIP-2,", "EIP-2 "),
        author="Buterin, Vitalik",
        title="{EIP-2}: Homestead Hard-fork Changes",
        year="2015",
        url="https://eips.ethereum.org/EIPS/eip-2",
    ),
    _entry(
        "misc",
        "eip100",
        ("EIP-100.", "EIP-100 "),
        author="Buterin, Vitalik",
        title="{EIP-100}: Change difficulty adjustment to target mean block time including uncles",
        year="2016",
        url="https://eips.ethereum.org/EIPS/eip-100",
    ),
    _entry(
        "misc",
        "asert2020",
        "aserti3-2d",
        title="{ASERT} Difficulty Adjustment Algorithm (aserti3-2d)",
        howpublished="Bitcoin Cash upgrade specification",
        year="2020",
    ),
    _entry(
        "misc",
        "zawy12difficulty",
        "zawy12",
        author="{zawy12}",
        title="Difficulty algorithms",
        url="https://github.com/zawy12/difficulty-algorithms",
    ),
    _entry(
        "inproceedings",
        "aoki2019simblock",
        "1901.09777",
        author="Aoki, Yusuke and Otsuki, Kai and Kaneko, Takeshi and Banno, Ryohei and Shudo, Kazuyuki",
        title="{SimBlock}: A Blockchain Network Simulator",
        booktitle="IEEE INFOCOM Workshops",
        year="2019",
        arxiv="1901.09777",
    ),
    _entry(
        "inproceedings",
        "decker2013propagation",
        "Decker and Wattenhofer 2013",
        author="Decker, Christian and Wattenhofer, Roger",
        title="Information propagation in the Bitcoin network",
        booktitle="IEEE International Conference on Peer-to-Peer Computing (P2P)",
        year="2013",
    ),
    _entry(
        "article",
        "gilbert1959random",
        "Gilbert 1959",
        author="Gilbert, Edgar N.",
        title="Random Graphs",
        journal="The Annals of Mathematical Statistics",
        volume="30",
        number="4",
        pages="1141--1144",
        year="1959",
    ),
    _entry(
        "article",
        "steger1999regular",
        "Steger and Wormald 1999",
        author="Steger, Angelika and Wormald, Nicholas C.",
        title="Generating Random Regular Graphs Quickly",
        journal="Combinatorics, Probability and Computing",
        volume="8",
        number="4",
        pages="377--396",
        year="1999",
    ),
    _entry(
        "article",
        "barabasi1999emergence",
        "Barabasi and Albert 1999",
        author="Barab{\\'a}si, Albert-L{\\'a}szl{\\'o} and Albert, R{\\'e}ka",
        title="Emergence of Scaling in Random Networks",
        journal="Science",
        volume="286",
        pages="509--512",
        year="1999",
    ),
    _entry(
        "article",
        "watts1998collective",
        "Watts and Strogatz 1998",
        author="Watts, Duncan J. and Strogatz, Steven H.",
        title="Collective dynamics of `small-world' networks",
        journal="Nature",
        volume="393",
        pages="440--442",
        year="1998",
    ),
    _entry(
        "misc",
        "alpaydin1998digits",
        "Alpaydin",
        author="Alpaydin, Ethem and Kaynak, Cenk",
        title="Optical Recognition of Handwritten Digits",
        howpublished="UCI Machine Learning Repository",
        year="1998",
    ),
    _entry(
        "misc",
        "lecun_mnist",
        "The MNIST database",
        author="LeCun, Yann and Cortes, Corinna and Burges, Christopher J. C.",
        title="The {MNIST} database of handwritten digits",
    ),
    _entry(
        "misc",
        "xiao2017fashion",
        "1708.07747",
        author="Xiao, Han and Rasul, Kashif and Vollgraf, Roland",
        title="{Fashion-MNIST}: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
        year="2017",
        arxiv="1708.07747",
    ),
    _entry(
        "techreport",
        "krizhevsky2009learning",
        "Krizhevsky 2009",
        author="Krizhevsky, Alex",
        title="Learning multiple layers of features from tiny images",
        institution="University of Toronto",
        year="2009",
    ),
    _entry(
        "article",
        "bailey1954queueing",
        "Bailey 1954",
        author="Bailey, Norman T. J.",
        title="On queueing processes with bulk service",
        journal="Journal of the Royal Statistical Society B",
        volume="16",
        pages="80--87",
        year="1954",
    ),
    _entry(
        "book",
        "kleinrock1975queueing",
        "Kleinrock 1975",
        author="Kleinrock, Leonard",
        title="Queueing Systems, Volume {I}: Theory",
        publisher="Wiley",
        year="1975",
    ),
    _entry(
        "article",
        "miller1974jackknife",
        "Miller 1974",
        author="Miller, Rupert G.",
        title="The jackknife---a review",
        journal="Biometrika",
        volume="61",
        pages="1--15",
        year="1974",
    ),
    _entry(
        "misc",
        "srinivasan2017decentralization",
        "Srinivasan and Lee 2017",
        author="Srinivasan, Balaji S. and Lee, Leland",
        title="Quantifying Decentralization",
        year="2017",
    ),
)
"""In no order of importance."""
