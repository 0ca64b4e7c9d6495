; Queens on a board, one in each row, none of them in reach of another: many small terms, and learnt
; clauses that come and go. First every square is free, then the first row's left side is taken away.
(set-option :smt.random_seed 1)
(set-option :sat.random_seed 1)
(declare-fun column (Int) Int)
(assert (forall ((i Int)) (=> (and (<= 0 i) (< i 6)) (and (<= 0 (column i)) (< (column i) 6)))))
(assert (forall ((i Int) (j Int))
  (=> (and (<= 0 i) (< i j) (< j 6))
      (and (distinct (column i) (column j))
           (distinct (- (column i) (column j)) (- i j))
           (distinct (- (column i) (column j)) (- j i))))))
(check-sat)
(assert (> (column 0) 2))
(check-sat)
